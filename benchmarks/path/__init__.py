"""The whole local path of an uplink, from the device to the public topic: where its time goes, and how many fit."""
