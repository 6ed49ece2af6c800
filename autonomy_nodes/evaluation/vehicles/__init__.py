"""A vehicle's yaml made from a URDF, a recording and answers, and drawn with what its sensors do not see."""
