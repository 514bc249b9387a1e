"""Ray: couriers, pools, batching, and the jail in which all of Ray runs. The only room that imports ray."""
