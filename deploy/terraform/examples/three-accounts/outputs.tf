output "artifact_bucket_name" {
  description = "Where the zips are put."
  value       = module.hub.artifact_bucket_name
}

output "archive_bucket_name" {
  description = "Where the logs are."
  value       = module.hub.archive_bucket_name
}

output "topic_arn" {
  description = "What tells teams of archived logs."
  value       = module.hub.topic_arn
}
