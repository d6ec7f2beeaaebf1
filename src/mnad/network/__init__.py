"""The U-Net, the memory and the losses: pure torch, no file, no video, no device."""
