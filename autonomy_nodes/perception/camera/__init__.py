"""The camera channel: from pictures and their calibration to the same grid seen from above."""
