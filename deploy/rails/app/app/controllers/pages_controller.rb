# SPDX-License-Identifier: GPL-2.0-only
#
# One page that says who answered: the task, its host-port, its slave and the version of the app.
class PagesController < ActionController::Base
  # the length is known, so puma need not send the page in chunks
  after_action { response.set_header('Content-Length', response.body.bytesize.to_s) }

  def show
    @facts = {
      'version' => ENV.fetch('APP_VERSION', 'unknown'),
      'app' => ENV.fetch('MARATHON_APP_ID', '/rails'),
      'task' => ENV.fetch('MESOS_TASK_ID', 'none'),
      'host' => ENV.fetch('HOST', Socket.gethostname).split('.').first,
      'port' => ENV.fetch('PORT0', ENV.fetch('LISTEN_PORT', '3000'))
    }
    # for programs: the same on one line
    response.set_header('X-Task', @facts.map { |name, value| "#{name}=#{value}" }.join(' '))
  end

  def health
    render plain: "ok\n"
  end
end
