"""What the gateway decides, without a network: shapes, prices, budgets, breakers and the meter's sums. Pure."""
