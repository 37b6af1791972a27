"""How published messages reach an application: AWS IoT Core, MQTT, webhooks, and the package `aws-iot`."""
