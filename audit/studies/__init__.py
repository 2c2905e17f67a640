"""Studies over many audits: methods over seeds, attacks, calibration, SWAP and forgetting quality."""
