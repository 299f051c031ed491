"""What came from what. Pure: from SageMaker's events and descriptions to records, table rows and OpenLineage events.

Nodes are strings `<kind>/<id>`: `workload/<name>`, `run/<job name>`, `model/<s3 uri>`, `dataset/<manifest root>`,
`code/<commit>`, `environment/<lock digest>`, `package/<arn>`, `endpoint/<name>`. Times are UTC in ISO 8601 with
microseconds, so that they sort as text.

A record's `version` orders what is known of one node: later creation first, then progress (a terminal status is
never overwritten by one that is not), then the time of the last modification. Text comparison decides.
"""
