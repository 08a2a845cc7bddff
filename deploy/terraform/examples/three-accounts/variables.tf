variable "code_keys" {
  description = "The services' zips in the artifact bucket: code_keys.auto.tfvars.json has them (see ../../README.md)."

  type = object({
    planner      = string
    exporter     = string
    sse-enforcer = string
    sealer       = string
    recounter    = optional(string)
  })
}
