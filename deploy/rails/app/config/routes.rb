# SPDX-License-Identifier: GPL-2.0-only
Rails.application.routes.draw do
  root 'pages#show'
  get 'healthz', to: 'pages#health'
end
