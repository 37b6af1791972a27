# Devices with an identity of their own. What they send is read in telemetry.tf.
