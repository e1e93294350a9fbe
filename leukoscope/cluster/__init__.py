"""More photos than one machine takes go in; tables in Parquet come out, every photo's rows once."""
