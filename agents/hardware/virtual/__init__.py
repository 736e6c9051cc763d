"""Virtual stations: programs that speak OCPP like a charging station, with a car and a meter; for tests and demos."""
