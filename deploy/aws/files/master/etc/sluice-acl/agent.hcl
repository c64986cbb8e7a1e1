# Consul's agents themselves: each keeps its own node in the catalog. Machines on EC2 are named ip-ADDRESS.
node_prefix "ip-" {
  policy = "write"
}
# an agent removes a service from the catalog that it does not have any more
service_prefix "" {
  policy = "read"
}
