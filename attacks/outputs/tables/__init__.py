"""Outputs of models from tables: CSV, TSV and Parquet files."""
