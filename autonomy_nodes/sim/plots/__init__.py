"""Small places made to learn from: cheap to build, many kinds of road users, seen by many kinds of LiDAR."""
