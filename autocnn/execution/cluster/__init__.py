"""Tasks on other machines: agents that run them there, and the executor that hands them out.

remote: the study's side       agent: the machine's side        messages: what they say
names: tasks without paths     transfer, image_sender: files    remote_agent: an agent, from here
ray_executor, ray_agent: Ray as what carries it; nothing else knows of it
"""
