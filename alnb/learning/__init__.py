"""Networks, augmentation on the device, and the training engine. Knows nothing of any paper."""
