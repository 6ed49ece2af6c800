"""What a network costs on a device, foretold from its layers."""
