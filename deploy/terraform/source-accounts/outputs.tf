output "stack_set_name" {
  description = "The stack set's name."
  value       = aws_cloudformation_stack_set.source.name
}

output "stack_set_id" {
  description = "The stack set's unique id."
  value       = aws_cloudformation_stack_set.source.stack_set_id
}
