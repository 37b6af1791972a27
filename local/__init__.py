"""The local environment: AWS on this machine, a simulated Things Stack, and the commands that drive them.

Nothing in the product (`lambda_src`, the Terraform modules) knows that this package exists.
"""
