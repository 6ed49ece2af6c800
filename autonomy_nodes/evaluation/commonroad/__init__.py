"""The closed-loop benchmark of CommonRoad: its files, a car as its checker knows it, drivers, and the judge."""
