# sluiced on each slave: registers and reads its one service, asks its agent who it is, and reads its node's checks.
service "@SERVICE@" {
  policy = "write"
}
node_prefix "ip-" {
  policy = "read"
}
agent_prefix "ip-" {
  policy = "read"
}
