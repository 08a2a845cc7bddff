"""A function dies after its n-th AWS call; AWS answers with an error."""
