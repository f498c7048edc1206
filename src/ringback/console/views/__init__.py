"""From the broker's answers to what pages show: values in, values out."""
