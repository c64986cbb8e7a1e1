# sluiced on each slave: registers and reads its one service, asks its agent who it is, and reads its node's checks.
service "@SERVICE@" {
  policy = "write"
}
# Consul 1.8 asks for the right to read a service's id, not its name, when it lists what a node has. Without this, sluiced would
# not see what it has registered. All its ids begin so.
service_prefix "sluice:" {
  policy = "read"
}
node_prefix "ip-" {
  policy = "read"
}
agent_prefix "ip-" {
  policy = "read"
}
