# SPDX-License-Identifier: GPL-2.0-only
#
# The graceful end of a process behind a balancer of connections. A server that closes its listener at SIGTERM resets what
# waits in the accept queue, and no balancer can save that. So after SIGTERM puma goes on for some seconds, in which nobody is
# sent here any more: each answer says "Connection: close", so that kept connections end with an answer and not between
# two, and the health check fails. Only then puma gets the signal. All of it must fit into taskKillGracePeriodSeconds.
class LameDuck
  HEALTH = '/healthz'

  def initialize(app, seconds:)
    @app = app
    @seconds = seconds
    @ending = false
    # puma has set its own trap by now
    @puma = Signal.trap('TERM') { start }
  end

  def call(env)
    return @app.call(env) unless @ending
    # puma takes this for the client's wish: it says so in the answer, and closes
    env['HTTP_CONNECTION'] = 'close'
    return [503, { 'Content-Type' => 'text/plain' }, ["ending\n"]] if env['PATH_INFO'] == HEALTH
    @app.call(env)
  end

  private

  # runs as a signal handler, where nothing may be locked
  def start
    return if @ending
    @ending = true
    Thread.new do
      sleep @seconds
      @puma.respond_to?(:call) ? @puma.call : exit(0)
    end
  end
end
