"""The simulated LoRaWAN network: end devices, sessions, downlink queues, and the messages that it publishes."""
