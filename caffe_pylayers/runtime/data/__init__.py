"""What data layers read from: databases, images, and threads that read ahead."""
