"""The models that come with Seewhy: small networks trained on its ground-truth world, and what is known of them."""
