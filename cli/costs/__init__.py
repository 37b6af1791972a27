"""What a stack costs on AWS: prices, what AWS meters, what an uplink causes in each mode, and the bill of a fleet.

Everything here is arithmetic: no call of AWS, no clock. The meter that counts what an applied stack really causes is
local/metering.py; it uses the same prices and the same rules.
"""
