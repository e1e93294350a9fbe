from leukoscope.cli import main

raise SystemExit(main())
