"""What the kinds on Docker engines share: connections, containers, images, locks and records."""
