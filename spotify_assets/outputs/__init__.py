"""What people look at: pages and pictures over the marts, which they read and never write."""
