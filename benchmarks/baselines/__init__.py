"""What benchmarks compare with: earlier states of this project, as they were."""
