"""The wires: topology, power flow, sensitivities, power quality and congestion."""
