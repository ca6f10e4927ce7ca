"""The numbers: golden metrics, edges, tap and the dashboard, over a real Prometheus."""
