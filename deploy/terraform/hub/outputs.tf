output "artifact_bucket_name" {
  description = "The bucket that Lambda takes the services' zips from."
  value       = aws_cloudformation_stack.artifacts.outputs["BucketName"]
}

output "archive_bucket_name" {
  description = "The bucket of the archive."
  value       = aws_cloudformation_stack.archive.outputs["ArchiveBucketName"]
}

output "control_bucket_name" {
  description = "The bucket of the ledger."
  value       = aws_cloudformation_stack.archive.outputs["ControlBucketName"]
}

output "key_arn" {
  description = "The key of both buckets, the queues and the topic."
  value       = aws_cloudformation_stack.archive.outputs["KeyArn"]
}

output "topic_arn" {
  description = "The topic that says what has been archived."
  value       = aws_cloudformation_stack.archive.outputs["TopicArn"]
}

output "function_names" {
  description = "The hub's functions, by their services."
  value = {
    planner            = aws_cloudformation_stack.planner.outputs["FunctionName"]
    sealer             = aws_cloudformation_stack.sealer.outputs["FunctionName"]
    sse-enforcer       = aws_cloudformation_stack.sse_enforcer.outputs["FunctionName"]
    sse-enforcer-sweep = aws_cloudformation_stack.sse_enforcer.outputs["SweepFunctionName"]
  }
}

output "exporters" {
  description = "Each source's exporter by its profile: queue_url, direct_queue_url, dead_letter_queue_url, function_name, direct_function_name and schedule_name."
  value = {
    for profile, stack in aws_cloudformation_stack.exporter : profile => {
      queue_url             = stack.outputs["QueueUrl"]
      direct_queue_url      = stack.outputs["DirectQueueUrl"]
      dead_letter_queue_url = stack.outputs["DeadLetterQueueUrl"]
      function_name         = stack.outputs["FunctionName"]
      direct_function_name  = stack.outputs["DirectFunctionName"]
      schedule_name         = stack.outputs["ScheduleName"]
    }
  }
}

output "archive_at_risk_alarm_name" {
  description = "The one alarm to page on."
  value       = aws_cloudformation_stack.observability.outputs["AlarmName"]
}

output "dashboard_url" {
  description = "The hub's dashboard."
  value       = aws_cloudformation_stack.observability.outputs["DashboardUrl"]
}

output "source_role_arns" {
  description = "The role that the hub assumes in each source's account, by its profile."
  value       = local.source_role_arns
}
