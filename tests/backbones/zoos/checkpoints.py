"""Checkpoints of transformers with small random networks, written as ``save_pretrained`` writes them."""

from pathlib import Path

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
SIZE, CROP = {"shortest_edge": 36}, {"height": 32, "width": 32}


def save(folder: Path, model, processor=None) -> str:
    """Write a checkpoint and return the backbone's name."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return f"hf:{folder}"


def videomae(folder: Path, head: str = "ForVideoClassification") -> str:
    """Four frames of 32 × 32, eight tokens, no class token, three classes."""
    import transformers

    decoder = {f"decoder_{key}": value for key, value in SMALL.items()}
    config = transformers.VideoMAEConfig(
        image_size=32, patch_size=16, num_frames=4, id2label={0: "run", 1: "jump", 2: "sit"}, **SMALL, **decoder
    )
    processor = transformers.VideoMAEVideoProcessor(size=SIZE, crop_size=CROP)
    return save(folder, getattr(transformers, f"VideoMAE{head}")(config), processor)


def dinov2(folder: Path) -> str:
    """An encoder of images of 32 × 32: a class token and four others."""
    import transformers

    small = {key: value for key, value in SMALL.items() if key != "intermediate_size"}
    config = transformers.Dinov2Config(image_size=32, patch_size=16, mlp_ratio=1, **small)
    processor = transformers.BitImageProcessor(size=SIZE, crop_size=CROP)
    return save(folder, transformers.Dinov2Model(config), processor)
