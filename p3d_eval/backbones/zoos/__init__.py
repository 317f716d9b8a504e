"""Networks of other collections behind one prefix each: torchvision, timm, transformers, torch.hub."""
