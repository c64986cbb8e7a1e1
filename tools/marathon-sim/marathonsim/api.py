# SPDX-License-Identifier: GPL-2.0-only
"""Marathon's REST resources, on top of the cluster.

A Request comes in, an Answer goes out; sockets, authentication and misbehaviour are the server's.
"""

import json
import re

from . import appdef, callback, events, selector, wire
from .cluster import Locked, Unknown


class Request:
    def __init__(self, method, path, query, body, client, uri):
        self.method = method
        self.path = path
        self.query = query      # name -> list of values
        self.body = body        # bytes
        self.client = client    # address
        self.uri = uri

    def flag(self, name):
        return self.query.get(name, ["false"])[-1].lower() in ("true", "")

    def json(self):
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadRequest("Invalid JSON", [{"path": "/", "errors": [str(error)]}]) from error


class Answer:
    def __init__(self, status, body, headers=()):
        self.status = status
        self.body = body        # something for JSON, or str for plain text
        self.headers = list(headers)


class BadRequest(Exception):
    def __init__(self, message, details=None):
        super().__init__(message)
        self.body = {"message": message}
        if details is not None:
            self.body["details"] = details


_SUBSCRIPTIONS_OFF = ("http event callback system is not running on this Marathon instance. "
                      "Please re-start this instance with \"--event_subscriber http_callback\".")


class Api:
    def __init__(self, cluster, address, settings):
        """address: host:port by which this master is known."""
        self._cluster = cluster
        self._version = cluster.version
        self._address = address
        self._settings = settings
        self.leader_known = lambda: True
        app = r"/v2/apps(?P<app>/.+?)"
        self._routes = [(re.compile(pattern), method, handler) for pattern, method, handler in (
            (r"/v2/apps", "GET", self._list_apps),
            (r"/v2/apps", "POST", self._create_app),
            (r"/v2/apps", "PUT", self._put_apps),
            (app + r"/tasks", "GET", self._app_tasks),
            (app + r"/tasks", "DELETE", self._kill_app_tasks),
            (app + r"/tasks/(?P<task>[^/]+)", "DELETE", self._kill_app_task),
            (app + r"/versions", "GET", self._app_versions),
            (app + r"/versions/(?P<version>[^/]+)", "GET", self._app_version),
            (app + r"/restart", "POST", self._restart_app),
            (app, "GET", self._get_app),
            (app, "PUT", self._put_app),
            (app, "PATCH", self._put_app),
            (app, "DELETE", self._delete_app),
            (r"/v2/tasks", "GET", self._list_tasks),
            (r"/v2/tasks/delete", "POST", self._kill_tasks),
            (r"/v2/deployments", "GET", self._deployments),
            (r"/v2/deployments/(?P<id>[^/]+)", "DELETE", self._cancel),
            (r"/v2/queue", "GET", self._queue),
            (r"/v2/queue(?P<app>/.+)/delay", "DELETE", self._reset_delay),
            (r"/v2/groups", "GET", self._groups),
            (r"/v2/leader", "GET", self._leader),
            (r"/v2/info", "GET", self._info),
            (r"/v2/eventSubscriptions", "GET", self._subscriptions),
            (r"/v2/eventSubscriptions", "POST", self._subscribe),
            (r"/v2/eventSubscriptions", "DELETE", self._unsubscribe),
        )]

    def handle(self, request):
        """Never raises for a bad request; a defect of the simulator goes through."""
        path = request.path.rstrip("/") or "/"
        allowed = []
        for pattern, method, handler in self._routes:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if method == request.method:
                return self._guarded(handler, request, match.groupdict())
            allowed.append(method)
        if allowed:
            return Answer(405, {"message": "HTTP 405 Method Not Allowed"},
                          [("Allow", ",".join(sorted(set(allowed))))])
        return Answer(404, {"message": f"URI not found: {request.path}"})

    def _guarded(self, handler, request, names):
        try:
            with self._cluster.lock:
                return handler(request, **names)
        except BadRequest as error:
            return Answer(400, error.body)
        except appdef.Invalid as error:
            return Answer(422, {"message": "Object is not valid",
                                "details": [{"path": error.path, "errors": [error.error]}]})
        except Unknown as error:
            return Answer(404, {"message": str(error)})
        except Locked as error:
            return Answer(409, {
                "message": "App is locked by one or more deployments. Override with the option "
                           f"'?force=true'. View details at '/v2/deployments/{error}'.",
                "deployments": [{"id": str(error)}]})

    @staticmethod
    def _deployed(version, deployment):
        """The short answer to a change: what it will be and by which deployment."""
        return Answer(200, {"version": version, "deploymentId": deployment.id},
                      [("Marathon-Deployment-Id", deployment.id)])

    # -- apps ------------------------------------------------------------------------

    def _app_id(self, text):
        try:
            return wire.canonical_app_id(text)
        except ValueError as error:
            raise Unknown(f"App '{text}' does not exist") from error

    def _app(self, text):
        return self._cluster.app(self._app_id(text))

    def _show(self, app, with_tasks, readiness=False):
        live = app.live()
        shown = app.definition.render(self._version)
        up = [task for task in live if task.running]
        seen = [task for task in up if not self._cluster.hide_health]
        shown["tasksStaged"] = sum(1 for task in live
                                   if task.state in ("TASK_STAGING", "TASK_STARTING"))
        shown["tasksRunning"] = len(up)
        shown["tasksHealthy"] = sum(1 for task in seen if task.healthy is True)
        shown["tasksUnhealthy"] = sum(1 for task in seen if task.healthy is False)
        shown["deployments"] = [{"id": app.deployment.id}] if app.deployment else []
        if with_tasks:
            shown["tasks"] = self._show_tasks(app.tasks)
        if readiness:
            shown["readinessCheckResults"] = [
                {"name": check["name"], "taskId": task.id, "ready": task.ready}
                for task in up for check in task.definition.readiness]
        return shown

    def _show_tasks(self, tasks):
        return [task.render(self._version, self._cluster.hide_health) for task in tasks]

    @staticmethod
    def _embeds(request):
        names = [name for value in request.query.get("embed", []) for name in value.split(",")]
        return {re.sub(r"^apps?\.", "", name) for name in names}

    def _list_apps(self, request):
        embeds = self._embeds(request)
        chosen = list(self._cluster.apps.values())
        for text in request.query.get("label", []):
            try:
                matches = selector.parse(text)
            except ValueError as error:
                raise BadRequest(str(error)) from error
            chosen = [app for app in chosen if matches(app.definition["labels"])]
        for text in request.query.get("id", []):
            chosen = [app for app in chosen if text in app.id]
        for text in request.query.get("cmd", []):
            chosen = [app for app in chosen if text in (app.definition["cmd"] or "")]
        with_tasks = bool(embeds & {"tasks", "failures"})
        return Answer(200, {"apps": [self._show(app, with_tasks, "readiness" in embeds)
                                     for app in chosen]})

    def _get_app(self, request, app):
        found = self._app(app)
        shown = self._show(found, True, "readiness" in self._embeds(request))
        if found.last_failure is not None:
            shown["lastTaskFailure"] = found.last_failure
        elif not self._version.networks_api:
            shown["lastTaskFailure"] = None
        return Answer(200, {"app": shown})

    def _create(self, request, definition):
        if definition.id in self._cluster.apps:
            return Answer(409, {"message": f"An app with id [{definition.id}] already exists."})
        app, deployment = self._cluster.create(definition, request.client, request.uri)
        return Answer(201, self._show(app, True),
                      [("Location", f"http://{self._address}/v2/apps{app.id}"),
                       ("Marathon-Deployment-Id", deployment.id)])

    def _create_app(self, request):
        return self._create(request, appdef.parse(self._version, request.json()))

    def _put_app(self, request, app):
        app_id = self._app_id(app)
        found = self._cluster.apps.get(app_id)
        body = request.json()
        if found is None:
            if request.method == "PATCH":
                raise Unknown(f"App '{app_id}' does not exist")
            return self._create(request, appdef.parse(self._version, body, app_id))
        if isinstance(body, dict) and set(body) == {"version"}:
            definition = self._roll_back(found, body["version"])
        else:
            definition = appdef.update(self._version, found.definition, body)
        deployment = self._cluster.change(found, definition, request.flag("force"),
                                          request.client, request.uri)
        return self._deployed(definition.version, deployment)

    @staticmethod
    def _roll_back(app, version):
        old = app.history.get(version)
        if old is None:
            raise BadRequest(f"Cannot roll back to version '{version}'")
        return old.with_instances(old["instances"])

    def _put_apps(self, request):
        body = request.json()
        if not isinstance(body, list):
            raise appdef.Invalid("/", "error.expected.jsarray")
        answer = None
        for item in body:
            app_id = item.get("id") if isinstance(item, dict) else None
            if not isinstance(app_id, str):
                raise appdef.Invalid("/id", "error.path.missing")
            one = Request("PUT", request.path, request.query, json.dumps(item).encode(),
                          request.client, request.uri)
            answer = self._put_app(one, app_id)
        if answer is None:
            raise appdef.Invalid("/", "no app was given")
        if answer.status == 201:
            app = self._cluster.apps[self._app_id(body[-1]["id"])]
            return self._deployed(app.definition.version, app.deployment)
        return answer

    def _delete_app(self, request, app):
        deployment = self._cluster.delete(self._app(app), request.flag("force"), request.client,
                                          request.uri)
        return self._deployed(deployment.version, deployment)

    def _restart_app(self, request, app):
        found = self._app(app)
        deployment = self._cluster.restart(found, request.flag("force"), request.client,
                                           request.uri)
        return self._deployed(found.definition.version, deployment)

    def _app_versions(self, _request, app):
        return Answer(200, {"versions": sorted(self._app(app).history, reverse=True)})

    def _app_version(self, _request, app, version):
        found = self._app(app)
        if version not in found.history:
            raise Unknown(f"App '{found.id}' does not exist in version {version}")
        return Answer(200, found.history[version].render(self._version))

    # -- tasks -----------------------------------------------------------------------

    def _app_tasks(self, _request, app):
        return Answer(200, {"tasks": self._show_tasks(self._app(app).tasks)})

    def _kill(self, request, tasks, key, one=False):
        scale = request.flag("scale")
        shown = self._show_tasks(tasks)
        deployment = None
        if tasks:
            deployment = self._cluster.kill(tasks, scale, request.flag("force"), request.client,
                                            request.uri)
        if deployment is not None:
            return self._deployed(deployment.version, deployment)
        return Answer(200, {key: shown[0] if one else shown})

    def _kill_app_tasks(self, request, app):
        hosts = request.query.get("host")
        tasks = [task for task in self._app(app).live()
                 if hosts is None or task.agent.host in hosts]
        return self._kill(request, tasks, "tasks")

    def _kill_app_task(self, request, app, task):
        found = self._app(app)
        for item in found.live():
            if item.id == task:
                return self._kill(request, [item], "task", one=True)
        raise Unknown(f"No task found for: {task}")

    def _list_tasks(self, request):
        wanted = {value.lower() for name in ("status", "status[]")
                  for value in request.query.get(name, [])}
        if wanted - {"running", "staging"}:
            raise BadRequest(f"'{(wanted - {'running', 'staging'}).pop()}' is not a valid status.")
        states = set()
        if "running" in wanted:
            states.add("TASK_RUNNING")
        if "staging" in wanted:
            states |= {"TASK_STAGING", "TASK_STARTING"}
        tasks = [task for task in self._cluster.tasks() if not wanted or task.state in states]
        return Answer(200, {"tasks": self._show_tasks(tasks)})

    def _kill_tasks(self, request):
        body = request.json()
        ids = body.get("ids") if isinstance(body, dict) else None
        if not isinstance(ids, list):
            raise appdef.Invalid("/ids", "error.path.missing")
        tasks = [task for task in self._cluster.tasks() if task.id in ids and not task.terminal]
        return self._kill(request, tasks, "tasks")

    # -- the rest --------------------------------------------------------------------

    def _deployments(self, _request):
        return Answer(200, [deployment.render(self._version.networks_api)
                            for deployment in self._cluster.deployments()])

    def _cancel(self, request, id):
        deployment = self._cluster.cancel(id, request.flag("force"), request.client, request.uri)
        if deployment is None:
            return Answer(202, "")
        return self._deployed(deployment.version, deployment)

    def _queue(self, _request):
        waiting = []
        for app in self._cluster.apps.values():
            missing = app.definition["instances"] - len(app.live())
            if missing > 0 and not app.deleting:
                left = self._cluster.seconds_to_launch(app)
                waiting.append({"count": missing,
                                "delay": {"timeLeftSeconds": int(left), "overdue": left <= 0},
                                "app": app.definition.render(self._version)})
        return Answer(200, {"queue": waiting})

    def _reset_delay(self, _request, app):
        self._cluster.reset_delay(self._app(app))
        return Answer(204, "")

    def _groups(self, _request):
        return Answer(200, self._cluster.root_group())

    def _leader(self, _request):
        if not self.leader_known():
            return Answer(404, {"message": "There is no leader"})
        return Answer(200, {"leader": self._address})

    def _info(self, _request):
        shown = {"name": "marathon", "version": self._version.text, "buildref": "unknown",
                 "elected": True, "leader": self._address,
                 "frameworkId": self._cluster.framework_id,
                 "marathon_config": {"hostname": self._address.rpartition(":")[0],
                                     "features": self._settings.features, "ha": True,
                                     "framework_name": "marathon", "local_port_min": 10000,
                                     "local_port_max": 20000},
                 "http_config": {"http_port": int(self._address.rpartition(":")[2]),
                                 "https_port": 8443},
                 "zookeeper_config": {}}
        if self._version.has_callbacks:
            kind = "http_callback" if self._cluster.bus.callbacks is not None else None
            shown["event_subscriber"] = None if kind is None else {
                "type": kind, "http_endpoints": self._settings.http_endpoints}
        return Answer(200, shown)

    def _callbacks(self, request):
        if not self._version.has_callbacks:
            raise Unknown(f"URI not found: {request.path}")
        if self._cluster.bus.callbacks is None:
            raise BadRequest(_SUBSCRIPTIONS_OFF)
        return self._cluster.bus.callbacks

    def _callback_url(self, request):
        url = request.query.get("callbackUrl", [""])[-1]
        if not callback.valid_url(url):
            raise appdef.Invalid("/callbackUrl", f"'{url}' is no absolute URL")
        return url

    def _subscriptions(self, request):
        return Answer(200, {"callbackUrls": self._callbacks(request).urls()})

    def _subscribe(self, request):
        callbacks = self._callbacks(request)
        url = self._callback_url(request)
        callbacks.add(url)
        event = events.subscribe(request.client, url)
        self._cluster.bus.publish(event)
        self._cluster.save()
        return Answer(200, event)

    def _unsubscribe(self, request):
        callbacks = self._callbacks(request)
        url = self._callback_url(request)
        callbacks.remove(url)
        event = events.unsubscribe(request.client, url)
        self._cluster.bus.publish(event)
        self._cluster.save()
        return Answer(200, event)
