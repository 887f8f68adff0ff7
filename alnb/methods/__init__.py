"""One module per paper, named as its notebook: the paper's own contribution and the grid of its runs."""
