"""A network as its torch.fx graph: walked by nodes, cut into blocks, folded."""
