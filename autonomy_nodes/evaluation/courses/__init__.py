"""Hard places driven in closed loop: a truck where there is little room, a vehicle off the road."""
