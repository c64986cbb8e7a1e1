# SPDX-License-Identifier: GPL-2.0-only
#
# Does with cloud-init's user data (standard input) what cloud-init does with its write_files. What else it says is not run.
require 'fileutils'
require 'yaml'

YAML.safe_load($stdin.read).fetch('write_files').each do |file|
  FileUtils.mkdir_p(File.dirname(file.fetch('path')))
  File.write(file['path'], file.fetch('content'))
  File.chmod(file.fetch('permissions').to_i(8), file['path'])
end
