"""What the camera channel learns from, and by what it is judged."""
