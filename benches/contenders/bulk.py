"""What a script does today: reads all pages, PUTs 500 rejected tasks at a time, remembers nothing."""
import sys

import requests

origin = sys.argv[1]
url = origin + "/iam/governance/selfservice/api/v1/provtasks"
session = requests.Session()
session.trust_env = False
session.auth = ("bench", "secret")
session.headers.update({"Accept": "application/json", "X-Requested-By": "script"})
tasks, offset = [], 1
while True:
    page = session.get(url, params={"offset": offset, "limit": 500}).json()
    for task in page["tasks"]:
        fields = {field["name"]: field.get("value") for field in task["fields"]}
        if fields["Process Instance.Task Details.Status"] == "R":
            tasks.append(str(fields["Process Instance.Task Details.Key"]))
    if not page["hasMore"]:
        break
    offset += page["count"]
failed = 0
for at in range(0, len(tasks), 500):
    items = [{"id": id, "action": "retry", "taskId": id} for id in tasks[at : at + 500]]
    answer = session.put(url, json={"tasks": items}).json()
    failed += sum(item["status"] != "SUCCESS" for item in answer["tasks"])
print(len(tasks), failed)
