"""The training engine in parts. Knows no paper, no task and no cycle.

feed: what a training draws batches from · augment: crops, flips and normalisation, batched on the device
recipe: epochs, batch, learning rate and its schedule · losses: one value a sample · optimisers: SGD, Adam
train: the loop over these parts · infer: logits and features of a pool, and what every epoch said of it
networks: one file each, found by themselves · vae: the parts of a variational auto-encoder
"""
