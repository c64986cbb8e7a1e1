# SPDX-License-Identifier: GPL-2.0-only
#
# Runs deploy/rails/app/lib/lame_duck.rb in front of a server that is this process: a handler of SIGTERM that was there
# before stands for puma's, a lambda for the app. Prints what was seen before, during and after the lame duck.
require_relative '../../deploy/rails/app/lib/lame_duck'

def wait_until
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 30
  until yield
    raise 'waited for 30 s' if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
    sleep 0.01
  end
end

def seen(duck, path)
  env = { 'PATH_INFO' => path, 'HTTP_CONNECTION' => 'keep-alive' }
  status, = duck.call(env)
  [status, env['HTTP_CONNECTION']]
end

def line(duck)
  status, connection = seen(duck, '/')
  "#{status} #{connection}, health #{seen(duck, '/healthz').first}"
end

told = 0
Signal.trap('TERM') { told += 1 }
gate = Queue.new
LameDuck.class_eval { define_method(:sleep) { |_seconds| gate.pop } } # ends when this test says so
duck = LameDuck.new(->(_env) { [200, {}, ['page']] }, seconds: 3)
puts "before: #{line(duck)}"
Process.kill('TERM', Process.pid)
wait_until { seen(duck, '/').last == 'close' }
Process.kill('TERM', Process.pid) # a second one changes nothing
puts "after SIGTERM: #{line(duck)}, server #{told.zero? ? 'goes on' : 'ends'}"
gate.push(nil)
wait_until { told.positive? }
sleep 0.1
puts "in the end: the server was told #{told == 1 ? 'once' : "#{told} times"}"
