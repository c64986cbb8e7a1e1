# SPDX-License-Identifier: GPL-2.0-only
#
# One process: Marathon scales by containers, and their memory is bounded. Threads: more than connections that may ask at the
# same time. puma accepts nobody while all its threads have work, and kept connections that ask without a pause are work, so
# with three threads a busy container left new connections waiting for ever, the health check among them. What still waits
# in the accept queue when the lame duck (lib/lame_duck.rb) has ended is served before the listener goes.
port ENV.fetch('LISTEN_PORT', '3000')
threads 1, Integer(ENV.fetch('RAILS_MAX_THREADS', '16'))
workers 0
environment ENV.fetch('RAILS_ENV', 'production')
drain_on_shutdown
# longer than the load balancer's idle time-out (60 s), or it would send a request into a connection that was just closed
persistent_timeout Integer(ENV.fetch('KEEP_ALIVE_SECONDS', '75'))
