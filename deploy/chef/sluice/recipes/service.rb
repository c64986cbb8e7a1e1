# SPDX-License-Identifier: GPL-2.0-only
# In this order: the packet path first.
%w(sluice-attach sluiced sluice-watch).each do |unit|
  service unit do
    action [:enable, :start]
  end
end
